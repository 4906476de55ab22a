"""PyTorch's ONNX files of the networks that the benchmark exports.

Takes requests on stdin, one JSON object a line (see serve.mjs): the weights that our export was made from, and which network
they belong to. Gives files written by `torch.onnx.export`, one for each way there is: the exporter on TorchScript and the one
on `torch.export` (optimised, which is its default), each with a free batch, as our files have, and with a batch of one.
Batch normalisation is folded by both exporters. Inputs have the names that our files give them.
"""

import contextlib
import io
import sys
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn
from torch_peer import read_tensors, serve
from unet_torch import UNet, load as load_unet

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts" / "fixtures"))
from reclmis_model import RecLMIS, Sizes, load as load_reclmis  # noqa: E402

# That of our files, and the lowest that the exporter on torch.export writes itself.
OPSET = {False: 17, True: 18}


class Inference(nn.Module):
    """RecLMIS without what exists in training only."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image, note_ids, note_valid):
        outputs, _ = self.net.interact(image, note_ids, note_valid)
        return outputs["poi"], outputs["woi"], outputs["probability"]


class Exporter:
    def open(self, network, weights, sizes, size, tokens=0):
        tensors = read_tensors(weights)
        image = torch.rand(2, 3, *size)
        if network == "unet":
            self.net, self.inputs, self.outputs = load_unet(UNet(**sizes), tensors), {"image": image}, ["probability"]
        else:
            self.net = Inference(load_reclmis(RecLMIS(Sizes(**sizes)), lambda name, shape: tensors[name].view(shape)))
            ids = torch.randint(sizes["vocabulary"], (2, tokens))
            valid = torch.arange(tokens) < torch.tensor([[3], [tokens]])
            self.inputs = {"image": image, "note_ids": ids, "note_valid": valid}
            self.outputs = ["poi", "woi", "probability"]
        self.net.eval()
        # the kernel that PyTorch itself takes for attention in use has no form in ONNX
        torch.backends.mha.set_fastpath_enabled(False)
        return {"engine": f"PyTorch {torch.__version__}"}

    def write(self, file, dynamo, free_batch):
        """Writes `file`; the error, if PyTorch has one."""
        inputs = {name: value if free_batch else value[:1] for name, value in self.inputs.items()}
        if dynamo:
            batch = torch.export.Dim("N", min=1, max=4096)
            free = {"dynamic_shapes": tuple({0: batch} for _ in inputs)} if free_batch else {}
        else:
            free = {"dynamic_axes": {name: {0: "N"} for name in [*inputs, *self.outputs]}} if free_batch else {}
        names = {"input_names": list(inputs), "output_names": self.outputs}
        with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self.net, tuple(inputs.values()), file, opset_version=OPSET[dynamo], dynamo=dynamo,
                **({"external_data": False, "verbose": False} if dynamo else {}), **names, **free,
            )  # fmt: skip
        return {"nodes": len(onnx.load(file, load_external_data=False).graph.node)}


if __name__ == "__main__":
    serve(Exporter())
