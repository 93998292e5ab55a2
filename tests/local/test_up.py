"""What `authz up` and `authz render --target envoy` say before anything runs."""

from authz.local import plan, up
from authz.local.laptop import Laptop


def test_the_welcome_tells_where_everything_is():
    text = "\n".join(up.welcome(Laptop([up.SAMPLES], 10), 10))
    for url in ("http://*.localhost:8090", "http://127.0.0.1:9410", "http://127.0.0.1:9202/metrics"):
        assert url in text


def test_the_samples_become_two_envoys():
    samples = plan.read([up.SAMPLES])
    gateway, sidecar = up.envoy_configuration(list(samples.resources), samples.loaded)
    assert (gateway["node"]["id"], sidecar["node"]["id"]) == ("gateway", "sidecar")
    assert len(sidecar["static_resources"]["listeners"]) == len(samples.backends)


def test_bad_files_end_it_with_their_problems(tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("spec: [")
    assert up.run([tmp_path]) == 1
    assert "bad.yaml" in capsys.readouterr().out
