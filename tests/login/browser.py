"""A real Chromium, and what a person does with it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from authz.local import programs

PATIENCE_S = 60  # Keycloak's first pages take their time on two busy cores
PICTURES = os.environ.get("SCREENSHOTS", "")  # a folder, for who wants to see

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--window-size=1000,700",
)


class Browser:
    """One person's, with cookies of its own."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    @property
    def url(self) -> str:
        return str(self.driver.current_url)

    @property
    def text(self) -> str:
        return str(self.driver.execute_script("return document.body?.innerText ?? ''"))  # of one page

    @property
    def seen(self) -> dict[str, Any]:
        """What the workload says that it saw."""
        return dict(json.loads(self.text))

    def sign_in(self, name: str, password: str = "") -> None:
        """At Keycloak's page."""
        self.wait_for(lambda: self.is_asked)
        self.driver.find_element(By.ID, "username").send_keys(name)
        self.driver.find_element(By.ID, "password").send_keys(password or name)
        self.driver.find_element(By.ID, "kc-login").click()

    @property
    def is_asked(self) -> bool:
        """For a name and a password."""
        return bool(self.driver.find_elements(By.ID, "kc-login"))

    def fetch(self, path: str, count: int = 1) -> list[dict[str, Any]]:
        """What a script of the page gets, all at once."""
        script = """
            const [path, count, done] = arguments;
            const one = async () => {
                const answer = await fetch(path, {redirect: 'manual'});
                return {status: answer.status, type: answer.type, kind: answer.headers.get('content-type')};
            };
            Promise.all(Array.from({length: count}, one)).then(done, error => done([String(error)]));
        """
        return list(self.driver.execute_async_script(script, path, count))

    @property
    def cookies(self) -> dict[str, str]:
        """Of this host."""
        return {one["name"]: one["value"] for one in self.driver.get_cookies()}

    def wait_for(self, condition: Any) -> None:
        WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.1).until(lambda _: condition())

    def picture(self, name: str) -> None:
        if PICTURES:
            Path(PICTURES).mkdir(exist_ok=True)
            self.driver.save_screenshot(f"{PICTURES}/{name}.png")


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    options = ChromeOptions()
    options.binary_location = str(programs.get("chromium"))
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    driver = Chrome(options=options, service=Service(str(programs.get("chromedriver"))))
    driver.set_page_load_timeout(PATIENCE_S)
    driver.set_script_timeout(PATIENCE_S)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
