"""Where scenes lie in the folder of benchmark data."""

LEGO = "nerf_synthetic/lego_200"
SCENES = {
    "lego_200": LEGO,
    "lego_400": "nerf_synthetic/lego_400",
    "fox": "fox",
    "fern": "llff_fern",
    "cup": "colmap_cup",
}
