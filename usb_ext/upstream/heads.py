"""What networks call their classification layer: USB's, timm's and torchvision's."""

HEAD_NAMES = ("classifier", "head", "fc")
"""WRN, BERT and ResNet; ViT; ResNet."""
