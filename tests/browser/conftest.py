"""The page in the system's chromium, driven by Playwright. Where one of them is missing, every test
here is skipped and says why."""

import pytest

from serve_app.cli.tiers import why_not


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not("browser")
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))
