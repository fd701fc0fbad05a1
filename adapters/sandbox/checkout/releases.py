"""The versions of the service that exist, as their pull requests described them."""

from dataclasses import dataclass

SERVICE = "checkout"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version and the change that made it."""

    version: str
    author: str
    title: str
    body: str
    url: str
    files: tuple[str, ...] = ()
    diff: str = ""


_DIFF_42 = """\
--- a/checkout/tax.py
+++ b/checkout/tax.py
@@ -12,9 +12,8 @@
-def apply_regional_tax(amount_cents: int, region: str) -> int:
-    rate = REGIONAL_RATES.get(region, DEFAULT_RATE)
-    return amount_cents + amount_cents * rate // 10_000
+def apply_regional_tax(amount_cents: int, region: str) -> int:
+    return amount_cents + amount_cents * REGIONAL_RATES[region] // 10_000
--- a/checkout/rates.py
+++ b/checkout/rates.py
@@ -1,8 +1,4 @@
 REGIONAL_RATES = {
     "DE": 1900,
     "FR": 2000,
-    "CH": 810,
-    "NO": 2500,
-    "UK": 2000,
 }
"""

RELEASES = {
    release.version: release
    for release in (
        Release(
            version="40",
            author="boris",
            title="Show the delivery date in the basket",
            body="Reads the date from the stock service.",
            url="https://git.shop.example/checkout/pull/118",
            files=("checkout/basket.py",),
        ),
        Release(
            version="41",
            author="anna",
            title="Cache the price list for a minute",
            body="One read a minute in place of one a request.",
            url="https://git.shop.example/checkout/pull/121",
            files=("checkout/prices.py",),
        ),
        Release(
            version="42",
            author="chris",
            title="Simplify the regional tax table",
            body="Drops regions that the new price list no longer names, and the default rate with them.",
            url="https://git.shop.example/checkout/pull/124",
            files=("checkout/tax.py", "checkout/rates.py"),
            diff=_DIFF_42,
        ),
    )
}
