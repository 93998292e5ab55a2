"""Takes the console's pictures in docs/images anew, of the laptop's gateway after the demo's requests.

.venv/bin/python -m scripts.screenshots
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from authz.local import programs
from authz.local.ports import Ports, free_offset

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1180, 760)
PATIENCE_S = 60


def main() -> None:
    """Each section once, and the first in both colours."""
    offset = free_offset()
    ports = Ports().moved(offset)
    with _running([sys.executable, "-m", "authz", "up", "--port-offset", str(offset)]):
        _wait(lambda: _status(f"http://127.0.0.1:{ports.authorizer}/readyz") == 200)
        good = _token(offset, "--scope", "orders:read")
        _wait(lambda: _asked(ports, "/orders", good) == 200)
        for path, token in (
            ("/orders", ""),
            ("/orders", "eyJh.eyJp.c2ln"),
            ("/products/1", ""),
            ("/orders", good),
        ):
            _asked(ports, path, token)
        with tempfile.TemporaryDirectory() as profile, _chromium(profile) as driver:
            _take(driver, f"http://127.0.0.1:{ports.authorizer}", good)


def _take(driver: Chrome, page: str, token: str) -> None:
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        _open(driver, f"{page}/#decisions", "TOKEN_MALFORMED")
        refused = "//tr[contains(@class, 'row')][contains(., 'TOKEN_MALFORMED')]"
        driver.find_element(By.XPATH, refused).click()
        _shoot(driver, f"console-decisions-{scheme}")
    _open(driver, f"{page}/#try", "Ask")
    driver.find_element(By.ID, "url").send_keys("https://shop.localhost/orders")
    driver.execute_script("document.getElementById('token').value = arguments[0]", token)
    driver.find_element(By.ID, "token").send_keys(" ")
    driver.find_element(By.CSS_SELECTOR, "#question button").click()
    _wait(lambda: "Rules of this host" in _text(driver))
    driver.execute_script("document.getElementById('token').scrollTop = 0; document.activeElement.blur()")
    _shoot(driver, "console-try-dark")
    features = [{"name": "prefers-color-scheme", "value": "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for section, holds in (("routes", "shop.localhost"), ("sources", "answers")):
        _open(driver, f"{page}/#{section}", holds)
        _shoot(driver, f"console-{section}-light")


def _open(driver: Chrome, url: str, holds: str) -> None:
    driver.get("about:blank")
    driver.get(url)
    _wait(lambda: holds in _text(driver))


def _text(driver: Chrome) -> str:
    return str(driver.execute_script("return document.body?.innerText ?? ''"))


def _shoot(driver: Chrome, name: str) -> None:
    driver.save_screenshot(str(IMAGES / f"{name}.png"))


def _token(offset: int, *arguments: str) -> str:
    command = [sys.executable, "-m", "authz", "token", "--port-offset", str(offset), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  # our own arguments


def _asked(ports: Ports, path: str, token: str) -> int:
    headers = {"host": "shop.localhost"} | ({"authorization": f"Bearer {token}"} if token else {})
    return _status(f"http://127.0.0.1:{ports.gateway}{path}", headers)


def _status(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        return httpx.get(url, headers=headers, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it took too long")
        time.sleep(0.2)


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603  # our own arguments
        try:
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def _chromium(profile: str) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(programs.get("chromium"))
    width, height = SIZE
    for option in ("headless=new", "no-sandbox", "no-proxy-server", f"window-size={width},{height}"):
        options.add_argument(f"--{option}")
    options.add_argument(f"--user-data-dir={profile}")
    driver = Chrome(options=options, service=Service(str(programs.get("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
