"""Writes `editor/src/members.json`, what the editor completes after `torch.` and the like, from the installed torch:

python -m headwork.streamlit_app.components.members
"""

import json
import re
from pathlib import Path
from types import ModuleType

MEMBERS = Path(__file__).with_name("editor") / "src" / "members.json"
MODULES = ["autograd", "distributions", "fft", "func", "linalg", "nn", "optim", "special", "utils"]
ALSO = ["Tensor", "Generator", "Size", "device", "dtype", "relu", "log_softmax", "inf", "nan", "pi"]
NOT_FOR_LEARNERS = re.compile(
    r"_$|_(copy|scatter|nesting|backward.*|storage|ir_module.*)$|^(boolean_dispatch|cudnn|fake_quant|fbgemm|handle_torch"
    r"|has_torch|import_|init_num|merge_type|parse_|q_|quantized|sym_|thread_safe|unify_)|(Key|Options|Storage|Type)$"
)


def members() -> dict[str, str]:
    """The documented public names of each owner, in alphabetical order, with spaces between them."""
    import einops
    import torch
    from torch import nn
    from torch.nn import functional

    dtypes = [name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype) and "x" not in name]
    found = {
        "torch": [*_documented(torch), *dtypes, *MODULES, *ALSO],
        "nn": [*_documented(nn), "functional", "init", "utils"],
        "F": _documented(functional),
        "einops": [name for name in einops.__all__ if name != "EinopsError"],
        "tensor": [*_documented(torch.Tensor), "device", "dtype"],
    }
    return {owner: " ".join(sorted(set(names), key=str.lower)) for owner, names in found.items()}


def _documented(owner: ModuleType | type) -> list[str]:
    names = (name for name in dir(owner) if name[0] != "_" and not NOT_FOR_LEARNERS.search(name))
    values = ((name, getattr(owner, name)) for name in names)
    return [name for name, value in values if not isinstance(value, ModuleType) and _has_its_own_text(owner, value)]


def _has_its_own_text(owner: ModuleType | type, value: object) -> bool:
    """False for what is only imported there, and for constants, whose text is that of their type."""
    if "typing" in str(getattr(value, "__module__", "")):
        return False
    return bool(getattr(value, "__doc__", None)) and (isinstance(owner, type) or callable(value))


def main() -> None:
    MEMBERS.write_text(json.dumps(members(), indent=1) + "\n", encoding="utf-8")
    print(f"{MEMBERS}: {MEMBERS.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
