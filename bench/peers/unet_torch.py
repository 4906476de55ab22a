"""The U-Net of unet-bench.mdl in PyTorch.

Module names are those of the MDL model, so that loading its weights strictly proves that both networks have the same
parameters. See torch_peer.py for what it takes and gives.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch_peer import Competitor, serve

EPSILON = 1e-5


class ConvNormRelu(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Twice(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.conv1 = ConvNormRelu(channels, out)
        self.conv2 = ConvNormRelu(out, out)

    def forward(self, x):
        return self.conv2(self.conv1(x))


class Level(nn.Module):
    def __init__(self, deep, skip):
        super().__init__()
        self.twice = Twice(deep + skip, skip)

    def forward(self, deep, skip):
        return self.twice(torch.cat([skip, F.interpolate(deep, scale_factor=2, mode="nearest")], dim=1))


class UNet(nn.Module):
    def __init__(self, widths):
        super().__init__()
        a, b, c, d = widths
        self.down1 = Twice(3, a)
        self.down2 = Twice(a, b)
        self.down3 = Twice(b, c)
        self.down4 = Twice(c, d)
        self.up3 = Level(d, c)
        self.up2 = Level(c, b)
        self.up1 = Level(b, a)
        self.head = nn.Conv2d(a, 1, 1)

    def forward(self, x):
        down1 = self.down1(x)
        down2 = self.down2(F.max_pool2d(down1, 2))
        down3 = self.down3(F.max_pool2d(down2, 2))
        down4 = self.down4(F.max_pool2d(down3, 2))
        up1 = self.up1(self.up2(self.up3(down4, down3), down2), down1)
        return torch.sigmoid(self.head(up1))


def dice_loss(probability, target):
    p, t = 0.5 * probability, 0.5 * target
    overlap = (p * t).sum(dim=(1, 2, 3))
    size = p.square().sum(dim=(1, 2, 3)) + t.square().sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + EPSILON) / (size + EPSILON)).mean()


def load(net, tensors):
    """Gives the network the weights of unet-bench.mdl, by name."""
    weights = {name.removeprefix("net."): value for name, value in tensors.items()}
    # PyTorch counts batches in every normalisation layer; nothing else may be missing, and nothing left over.
    found = net.load_state_dict(weights, strict=False)
    missing = [name for name in found.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or found.unexpected_keys:
        raise RuntimeError(f"weights do not fit: missing {missing}, unexpected {found.unexpected_keys}")
    return net


class UNetCompetitor(Competitor):
    def build(self, tensors, widths):
        return load(UNet(widths), tensors)

    def loss(self, net):
        probability, mask = net(self.batch["image"]).float(), self.batch["mask"]
        with torch.autocast("cpu", enabled=False):
            return dice_loss(probability, mask) + F.binary_cross_entropy(probability, mask)

    def check(self):
        """The loss of the first weights. Nothing in this network is random, so it is that of the first step."""
        return {"loss": self.forward(self.net).item()}


if __name__ == "__main__":
    serve(UNetCompetitor())
