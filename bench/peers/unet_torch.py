"""The U-Net of unet-bench.mdl in PyTorch, eager.

Takes requests on stdin, one JSON object a line (see serve.mjs for the same thing in JavaScript); weights and batch come from
the file that mdl.mjs shared. Gives steps. Module names are those of the MDL model, so that loading its weights strictly proves
that both networks have the same parameters. With "tuned", what a user who knows PyTorch would turn on for a CPU: channels-last
memory and the fused Adam.
"""

import json
import os
import struct
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F

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


def read_tensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        values = file.read()
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        array = numpy.frombuffer(values[start:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


class Competitor:
    def open(self, shared, rate, threads, widths, tuned=False):
        torch.set_num_threads(threads)
        tensors = read_tensors(shared)
        self.image = tensors.pop("batch/image")
        self.mask = tensors.pop("batch/mask")
        self.net = UNet(widths)
        weights = {name.removeprefix("net."): value for name, value in tensors.items()}
        # PyTorch counts batches in every normalisation layer; nothing else may be missing, and nothing left over.
        found = self.net.load_state_dict(weights, strict=False)
        missing = [name for name in found.missing_keys if not name.endswith("num_batches_tracked")]
        if missing or found.unexpected_keys:
            raise RuntimeError(f"weights do not fit: missing {missing}, unexpected {found.unexpected_keys}")
        if tuned:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.image = self.image.contiguous(memory_format=torch.channels_last)
        self.net.train()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=rate, fused=tuned or None)
        parameters = sum(p.numel() for p in self.net.parameters())
        return {"engine": f"PyTorch {torch.__version__}", "parameters": parameters, "threads": torch.get_num_threads()}

    def step(self):
        started, before = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad()
        probability = self.net(self.image)
        loss = dice_loss(probability, self.mask) + F.binary_cross_entropy(probability, self.mask)
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        seconds, cpu = time.perf_counter() - started, time.process_time() - before
        return {"seconds": seconds, "cpu": cpu, "loss": value}


def main():
    competitor = Competitor()
    # Whatever a library prints must not get between the replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        action = request.pop("do")
        try:
            reply = getattr(competitor, action)(**request)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


main()
