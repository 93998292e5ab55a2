"""What Oathkeeper was set to where no configuration is given: Kyma's for APIRules, else its own."""

from authz.migrate.old.rule import Settings

HYDRA = "http://ory-hydra-admin.kyma-system.svc.cluster.local:4445/oauth2/introspect"

KYMA = Settings(
    file="Kyma's Oathkeeper",
    authenticators={
        "jwt": {"enabled": True, "config": {"scope_strategy": "wildcard"}},
        "oauth2_introspection": {
            "enabled": True,
            "config": {"scope_strategy": "exact", "introspection_url": HYDRA},
        },
    },
    mutators={
        "header": {"enabled": True, "config": {"headers": {"X-Server": "oathkeeper"}}},
        "cookie": {"enabled": True, "config": {"cookies": {"processedWith": "oathkeeper"}}},
        "id_token": {"enabled": True, "config": {"ttl": "60s"}},
    },
)
NONE = Settings(file="Oathkeeper's defaults")
