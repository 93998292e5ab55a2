"""APIRules in the shapes that Kyma's users write, made up for these tests."""

KYMA = {
    "public": """
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: catalog, namespace: shop}
spec:
  gateway: kyma-system/kyma-gateway
  hosts: [catalog]
  service: {name: catalog, namespace: backend, port: 8000}
  timeout: 360
  rules:
    - path: /*
      methods: [GET, HEAD]
      noAuth: true
""",
    "jwt": """
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: orders, namespace: shop}
spec:
  gateway: kyma-system/kyma-gateway
  hosts: [orders.example.com]
  rules:
    - path: /orders/{*}/items/{**}
      methods: [GET]
      service: {name: orders, port: 80, external: false}
      timeout: 20
      jwt:
        authentications:
          - issuer: https://idp.example.com/realms/shop
            jwksUri: https://idp.example.com/realms/shop/keys
            fromHeaders: [{name: x-jwt-assertion, prefix: "Bearer "}]
        authorizations:
          - requiredScopes: [read, write]
            audiences: [orders]
          - audiences: [admin]
""",
    "extAuth": """
apiVersion: gateway.kyma-project.io/v2alpha1
kind: APIRule
metadata: {name: admin, namespace: shop}
spec:
  gateway: kyma-system/kyma-gateway
  hosts: ["*.admin.example.com"]
  service: {name: admin, port: 8080}
  corsPolicy:
    allowOrigins: [{exact: "https://example.com"}, {prefix: "https://a."}, {regex: ".*"}]
    allowMethods: [GET, POST]
    allowHeaders: [authorization]
    exposeHeaders: [x-total]
    allowCredentials: true
    maxAge: 300
  rules:
    - path: /
      methods: [GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH]
      extAuth:
        authorizers: [oauth2-proxy]
        restrictions:
          authentications:
            - issuer: https://idp.example.com
              jwksUri: https://idp.example.com/keys
              fromParams: [access]
      request:
        headers: {x-env: test, x-from: "%REQ(x-client)%"}
        cookies: {theme: dark, lang: en}
    - path: /health
      methods: [GET]
      noAuth: true
""",
}
