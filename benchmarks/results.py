"""Makes the tables of docs/results.md.

    python benchmarks/results.py                   # which tables there are, and what each is made from
    python benchmarks/results.py TABLE [TABLE ...] # prints them
    python benchmarks/results.py TABLE --write     # puts them into the page, between their marks

A table is read from journals where there are any: run the commands that the list names first. The others are trained
when asked for, and take minutes.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import clusters
import corpus_size
import heads
import journal_tables as tables
import leaked_split
import negatives
import remembering
import two_stage
from journal_tables import Row

from nvf.errors import NvfError

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
MARKED = re.compile(r"<!-- table: (?P<name>[\w-]+) -->\n(?P<table>.*?)<!-- end -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is made.

    Attributes
    ----------
    make
        Returns it as Markdown.
    needs
        The commands that it is read from; none where `make` trains by itself.
    """

    make: Callable[[], str]
    needs: tuple[str, ...] = ()


NFCORPUS_ON_SCIFACT = (
    "--set task.path='${NVF_DATA}/beir/scifact' --set task.vectors='${NVF_DATA}/embeddings/minilm-256/scifact'"
)
MPNET = (
    "--set task.path=mlruns/cache/medquad-part --set task.encoder='${NVF_MPNET}' --set task.max_length=128 "
    "--set task.vectors=null "
    '--set evaluate=\'[{source: beir, path: "${NVF_DATA}/beir/scifact", encoder: "${NVF_MPNET}", max_length: 384}, '
    '{source: beir, path: "${NVF_DATA}/beir/nfcorpus", encoder: "${NVF_MPNET}", max_length: 384, '
    'vectors: "${NVF_DATA}/embeddings/mpnet-384/nfcorpus"}]\''
)
CASCADE = ("raw", "bm25", "hybrid", "linear", "nudge", "memory")
VARIANTS = (
    "AR only", "phase 1", "option 1 (T 0.07)", "option 2 (T 0.05)", "option 2 (T 0.10)", "option 2 (T 0.15)",
    "option 3: InfoNCE alone",
)  # fmt: skip
BACKBONES = ("gru", "transformer", "state space")
NEXT_VECTOR = ("amn", "two_tower", "siamese", "lvm", "lvm_rerank")
PUBLISHED = ("jepa", "projection", "respred", "respred, no penalty", "asymmetric", "asymmetric, predictor")
REMEDIES = tuple(name for name in heads.POINTS if name.startswith("asymmetric"))
REMEMBERED = ("the notes' point", "without diffusion, nudged", "cosine + BM25")


def sweep(file: str, name: str = "", options: str = "", confirm: str = "") -> tuple[str, ...]:
    """Return the commands that run a search space, and confirm it where `confirm` says how."""
    named = name or file.replace("_", "-")
    first = " ".join(["nvf sweep", f"search_spaces/{file}.yaml", *filter(None, [options, name and f"--name {name}"])])
    return (first, f"nvf confirm {named} {confirm}") if confirm else (first,)


def starts(name: str, labels: Sequence[str]) -> list[Row]:
    """Return a row for each of the first starts of a sweep, in their order."""
    return [Row(name, place, label) for place, label in enumerate(labels)]


def cascade(name: str) -> str:
    """Return pipelines over each first stage, and the best of the search."""
    return tables.on_dev(
        [*starts(name, [f"over {first}" for first in CASCADE]), Row(name, "best", "best of the search")]
    )


def transfer(name: str) -> str:
    """Return what was trained on MedQuAD and judged elsewhere: the published points, and the best of each system."""
    best = [
        Row(name, system, f"{system}, best on dev")
        for system in ("jepa", "projection", "respred", "asymmetric", "linear")
    ]
    points = [f"{point}, {size} a batch" for size in (16, 128) for point in PUBLISHED]
    return tables.transferred([*starts(name, [*points, "linear, 128 a batch"]), *best])


LVM_VARIANTS = sweep(
    "lvm_scifact", "lvm-variants", "--trials 7 --set budget.epochs=6 --set pruner.kind=none", "--top 7 --seeds 5"
)
LVM_BACKBONES = sweep("lvm_backbones", confirm="--top 3 --seeds 5")


TABLES: dict[str, Table] = {
    "rerankers": Table(lambda: two_stage.table(stages=("rank 72, K 5",))),
    "joint": Table(two_stage.trainings),
    "clusters": Table(clusters.table),
    "negatives": Table(negatives.table),
    "corpus-size": Table(corpus_size.table),
    "cascade-nfcorpus": Table(lambda: cascade("cascade-nfcorpus"), sweep("cascade_nfcorpus")),
    "cascade-scifact": Table(
        lambda: cascade("cascade-scifact"),
        sweep("cascade_nfcorpus", "cascade-scifact", f"{NFCORPUS_ON_SCIFACT} --trials 16"),
    ),
    "lvm-variants": Table(lambda: tables.windows(starts("lvm-variants", VARIANTS), "context_mean"), LVM_VARIANTS),
    "lvm-pairs": Table(lambda: tables.pairs(starts("lvm-variants", VARIANTS)), LVM_VARIANTS),
    "lvm-backbones": Table(lambda: tables.windows(starts("lvm-backbones", BACKBONES), "context_mean"), LVM_BACKBONES),
    "lvm-backbone-pairs": Table(lambda: tables.pairs(starts("lvm-backbones", BACKBONES)), LVM_BACKBONES),
    "next-vector": Table(
        lambda: tables.windows(
            [Row("next-vector-scifact", name, f"{name}, best on dev") for name in NEXT_VECTOR], "context_mean"
        ),
        sweep("next_vector_scifact", confirm="--seeds 5 --trial ..., the best of each system"),
    ),
    "heads-nfcorpus": Table(lambda: tables.by_batch_size("nfcorpus"), ("python benchmarks/heads.py nfcorpus",)),
    "asymmetric": Table(
        lambda: tables.by_batch_size("nfcorpus", REMEDIES),
        (f"python benchmarks/heads.py nfcorpus --points {shlex.join(REMEDIES)}",),
    ),
    "heads-nfcorpus-mpnet": Table(
        lambda: tables.by_batch_size("nfcorpus-mpnet"), ("python benchmarks/heads.py nfcorpus-mpnet",)
    ),
    "epochs": Table(
        lambda: tables.by_epoch("medquad", 128, 860),
        (f"python benchmarks/heads.py medquad --batch-sizes 128 --steps 860 --points {shlex.join(PUBLISHED)}",),
    ),
    "training-size": Table(
        lambda: tables.by_share("medquad", 128, 430),
        (
            "python benchmarks/heads.py medquad --batch-sizes 128 --steps 430 --shares 0.1 0.3 1 "
            "--points jepa projection 'linear, query'",
        ),
    ),
    "residuals": Table(
        lambda: tables.residuals([("medquad", 128, 860), ("nfcorpus", 16, 500)], ("respred", "respred, no penalty")),
        ("the commands of `epochs` and `heads-nfcorpus`",),
    ),
    "transfer": Table(
        lambda: transfer("medquad"),
        sweep("medquad", confirm="--seeds 3 --trial ..., all starts, the best of each system"),
    ),
    "transfer-mpnet": Table(
        lambda: transfer("medquad-mpnet"),
        sweep("medquad", "medquad-mpnet", MPNET, "--seeds 3 --trial ..., all starts, the best of each system"),
    ),
    "nfcorpus": Table(
        lambda: tables.confirmed(
            [
                *starts("memory-nfcorpus", [f"memory, {label}" for label in REMEMBERED]),
                Row("memory-nfcorpus", "best", "memory, best on dev"),
                Row("nudge-nfcorpus", "best", "nudge, best on dev"),
                Row("pareto-nfcorpus", 56, "memory, a point of the front"),
                Row("linear-nfcorpus", "best", "linear, best that is not diagnosed"),
            ]
        ),
        (
            *sweep("memory_nfcorpus", confirm="--trial 0 --trial 1 --trial 2 --trial ..., the best on dev"),
            *sweep("nudge_nfcorpus", confirm="--top 1"),
            *sweep("linear_nfcorpus", confirm="--top 1"),
            *sweep("pareto_nfcorpus", confirm="--trial ..., by the rule in the file's head"),
        ),
    ),
    "scifact": Table(
        lambda: tables.confirmed(
            [
                *starts("memory-scifact", [f"memory, {label}" for label in REMEMBERED]),
                Row("memory-scifact", "best", "memory, best on dev"),
                Row("linear-scifact", "best", "linear, best that is not diagnosed"),
                Row("nudge-scifact", "best", "nudge, best on dev"),
                Row("nudge-scifact", 0, "nudge, gamma 1"),
            ]
        ),
        (
            *sweep("memory_scifact", confirm="--trial 0 --trial 1 --trial 2 --trial ..., the best on dev"),
            *sweep("linear_scifact", confirm="--top 1"),
            *sweep("nudge_scifact", confirm="--trial 0 --trial ..., the best on dev"),
        ),
    ),
    "remembering": Table(lambda: remembering.parts(remembering.nfcorpus())),
    "nearness": Table(lambda: remembering.nearness(remembering.nfcorpus())),
    "draws": Table(lambda: remembering.draws(remembering.nfcorpus())),
    "leaked-split": Table(leaked_split.table),
    "fused-scifact": Table(
        lambda: tables.confirmed(
            [Row("fused-scifact", 0, "raw, the first start"), Row("fused-scifact", "best", "best on dev")], "hybrid"
        ),
        sweep("fused_scifact", confirm="--seeds 3 --trial 0 --trial ..., the best on dev"),
    ),
}


def written(text: str, name: str, table: str) -> str:
    """Return the page with the named table between its marks; raises `SystemExit` where it has no such marks."""
    if name not in {found["name"] for found in MARKED.finditer(text)}:
        raise SystemExit(f"{PAGE.name} has no <!-- table: {name} -->")
    return MARKED.sub(
        lambda found: f"<!-- table: {name} -->\n{table}\n<!-- end -->" if found["name"] == name else found[0], text
    )


def main() -> None:
    """List, print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], metavar="TABLE")
    parser.add_argument("--write", action="store_true", help="put them into docs/results.md")
    options = parser.parse_args()
    if not options.tables:
        for name, table in TABLES.items():
            print("\n    ".join([name, *(table.needs or ("made when asked for",))]))
    for name in options.tables:
        try:
            made = TABLES[name].make()
        except NvfError as error:
            raise SystemExit("\n    ".join([f"{error}; run", *TABLES[name].needs])) from None
        if options.write:
            PAGE.write_text(written(PAGE.read_text(), name, made))
        else:
            print(f"{made}\n")


if __name__ == "__main__":
    main()
