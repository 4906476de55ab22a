"""RecLMIS in PyTorch, as `quick` has it: the network that the fixtures are made with (scripts/fixtures/reclmis_model.py).

See torch_peer.py for what it takes and gives. Weights are matched by the names of our language, each of them once.
"""

import sys
from pathlib import Path

import torch
from torch_peer import Competitor, serve

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts" / "fixtures"))
from reclmis_model import RecLMIS, Sizes, load  # noqa: E402


class RecLMISCompetitor(Competitor):
    def build(self, tensors, **sizes):
        self.tensors, self.sizes = tensors, sizes
        self.batch["note_ids"] = self.batch["note_ids"].long()
        self.batch["note_valid"] = self.batch["note_valid"] > 0.5
        return self.network()

    def network(self, **changes):
        left = dict(self.tensors)

        def value_of(name, shape):
            value = left.pop(name)
            if list(value.shape) != shape:
                raise RuntimeError(f"{name} is {list(value.shape)} there and {shape} here")
            return value

        net = load(RecLMIS(Sizes(**{**self.sizes, **changes})), value_of)
        if left:
            raise RuntimeError(f"weights do not fit: unexpected {sorted(left)}")
        return net

    def loss(self, net, **hidden):
        batch = self.batch
        losses, _ = net(batch["image"], batch["note_ids"], batch["note_valid"], batch["mask"], **hidden)
        return sum(losses.values())

    def check(self):
        """The loss of the first weights without anything random: no dropout, all tokens hidden."""
        net = self.network(dropout=0.0).train()
        valid = self.batch["note_valid"]
        patches = torch.ones(len(valid), self.sizes["patches"], dtype=torch.bool)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.narrow):
            return {"loss": self.loss(net, hidden_patches=patches, hidden_words=valid).item()}


serve(RecLMISCompetitor())
