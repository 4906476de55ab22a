"""What the PyTorch competitors share: talking, reading tensors, one training step, memory.

Takes requests on stdin, one JSON object a line (see serve.mjs for the same thing in JavaScript); weights and batch come from
the file that mdl.mjs shared. Gives steps of PyTorch in eager mode. With "bf16", forward runs under torch.autocast. With
"tuned", what a user who knows PyTorch would turn on for a CPU: channels-last memory and the fused Adam.
"""

import json
import os
import struct
import sys
import time

import numpy
import torch


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


def status(key):
    """A line of /proc/self/status, in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


class Competitor:
    """A subclass gives `build(weights, batch, **model)`, which returns a network, and `loss(net)`."""

    def open(self, shared, rate, threads, precision="f32", tuned=False, **model):
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        tensors = read_tensors(shared)
        self.batch = {name[6:]: tensors.pop(name) for name in list(tensors) if name.startswith("batch/")}
        self.narrow = precision == "bf16"
        self.net = self.build(tensors, **model)
        if tuned:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.batch["image"] = self.batch["image"].contiguous(memory_format=torch.channels_last)
        self.net.train()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=rate, fused=tuned or None)
        parameters = sum(p.numel() for p in self.net.parameters())
        return {"engine": f"PyTorch {torch.__version__}", "parameters": parameters, "threads": torch.get_num_threads()}

    def forward(self, net):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.narrow):
            return self.loss(net)

    def step(self):
        started, before = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad()
        loss = self.forward(self.net)
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        seconds, cpu = time.perf_counter() - started, time.process_time() - before
        return {"seconds": seconds, "cpu": cpu, "loss": value}

    def idle(self):
        """Memory from here on is that of steps."""
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return {"bytes": status("VmRSS")}

    def peak(self):
        return {"bytes": status("VmHWM")}


def serve(competitor):
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
