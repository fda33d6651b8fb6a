"""Which views an algorithm is served, by its name, as USB's BasicDataset decides it."""

from usb_ext.settings.names import served_as

WEAK, STRONG, ROTATED = "weak", "strong", "rotated"

USUAL = {"x_ulb_w": WEAK, "x_ulb_s": STRONG}
UNLABELLED_VIEWS: dict[str, dict[str, str]] = {
    "fullysupervised": {},
    "supervised": {},
    "pseudolabel": {"x_ulb_w": WEAK},
    "vat": {"x_ulb_w": WEAK},
    "pimodel": {"x_ulb_w": WEAK, "x_ulb_s": WEAK},
    "meanteacher": {"x_ulb_w": WEAK, "x_ulb_s": WEAK},
    "mixmatch": {"x_ulb_w": WEAK, "x_ulb_s": WEAK},
    "comatch": {"x_ulb_w": WEAK, "x_ulb_s_0": STRONG, "x_ulb_s_1": STRONG},
    "remixmatch": {
        "x_ulb_w": WEAK,
        "x_ulb_s_0": STRONG,
        "x_ulb_s_1": STRONG,
        "x_ulb_s_0_rot": ROTATED,
    },
}


def unlabelled_views(algorithm: str) -> dict[str, str]:
    """Names of the unlabelled views and what each is; one weak and one strong for unknown names."""
    return UNLABELLED_VIEWS.get(served_as(algorithm), USUAL)


def labelled_views(algorithm: str) -> dict[str, str]:
    """Names of the labelled views; DeFixMatch wants a strong one too."""
    return {"x_lb": WEAK, "x_lb_s": STRONG} if algorithm == "defixmatch" else {"x_lb": WEAK}
