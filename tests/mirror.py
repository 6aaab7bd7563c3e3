"""Where the tests of each module stand: in the file of the same path, or in those that are named here, and why."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from tests.tracked import ROOT, below

ELSEWHERE = {
    # contracts that every loss, measure, system, source and tracker keeps
    "losses/autoregressive": "contracts/test_autoregressive_contract",
    "losses/covariance": "contracts/test_head_losses_contract",
    "losses/info_nce": "contracts/test_loss_contract",
    "losses/list_net": "contracts/test_loss_contract",
    "losses/predictive": "contracts/test_head_losses_contract",
    "losses/residual": "contracts/test_head_losses_contract",
    "losses/selected": "contracts/test_loss_contract",
    "losses/sigreg": "contracts/test_head_losses_contract",
    "measures/fast": "measures/test_judge",
    "measures/measure": "measures/test_judge contracts/test_measure_contract",
    "measures/own": "measures/test_judge contracts/test_measure_contract",
    "measures/parse": "measures/test_judge contracts/test_measure_contract",
    "testing/losses": "contracts/test_loss_contract",
    "testing/measures": "contracts/test_measure_contract",
    "testing/sources": "contracts/test_task_contract",
    "testing/systems": "contracts/test_system_contract",
    "topk/gumbel": "contracts/test_topk_contract",
    "topk/hard": "contracts/test_topk_contract",
    "topk/relaxed": "contracts/test_topk_contract",
    "topk/straight_through": "contracts/test_topk_contract",
    "tracking/tracker": "contracts/test_tracker_contract",
    # systems that are another one with other parts, and parts that are tested in the systems which they make up
    "systems/amn": "contracts/test_system_contract systems/test_fusion",
    "systems/base": "contracts/test_system_contract",
    "systems/bm25": "systems/test_floors",
    "systems/crossfit": "systems/test_cascade",
    "systems/documents": "systems/test_candidates systems/test_diffusion training/test_ranked_once",
    "systems/hybrid": "systems/test_floors",
    "systems/judgements": "systems/test_nudge systems/test_memory",
    "systems/oracle": "systems/test_floors",
    "systems/pair_system": "contracts/test_system_contract systems/test_linear systems/test_soft_attention",
    "systems/pipeline": "systems/test_two_stage systems/test_joint",
    "systems/raw": "systems/test_floors",
    "systems/siamese": "contracts/test_system_contract systems/test_asymmetric",
    "systems/transform": "systems/test_soft_attention",
    "systems/two_tower": "systems/test_registry contracts/test_system_contract",
    "systems/windows": "systems/test_lvm systems/test_next_vector",
    "systems/words": "systems/test_fused systems/test_fusion",
    # commands and what they print
    "cli/cluster": "cluster/test_job e2e/test_cluster",
    "cli/columns": "cli/test_width",
    "cli/complete": "cli/test_completion",
    "cli/export": "registry/test_export registry/test_run_file",
    "cli/live": "cli/test_width",
    "cli/narration": "test_progress cli/test_width",
    "cli/options": "cli/test_json cli/test_bad_input",
    "cli/registry": "registry/test_promote registry/test_alias",
    "cli/render": "cli/test_width cli/test_read",
    "cli/reproduce": "registry/test_reproduce",
    "cli/restore": "tracking/test_archive",
    "cli/sweep": "cli/test_bad_input e2e/test_quickstart",
    "frames": "test_api",
    "errors": "cli/test_bad_input",
    "paths": "cli/test_doctor",
    "text": "registry/test_card registry/test_gates",
    "types": "data only; used by all",
    # Ray, which the slow suites start
    "cluster/submit": "e2e/test_cluster",
    "sweep/driver": "e2e/test_sweep test_api",
    "sweep/memory_kills": "faults/test_memory",
    "sweep/orders": "sweep/test_worker",
    "sweep/ray_session": "e2e/test_cluster test_devices",
    "sweep/replicate": "registry/test_confirm",
    "sweep/scheduler": "e2e/test_sweep",
    "sweep/signals": "test_api e2e/test_sweep",
    "sweep/trainable": "e2e/test_sweep",
    # the journal's types and files
    "journal/cold": "registry/test_outdated_cold",
    "journal/facts": "journal/test_old_journal sweep/test_ground",
    "journal/folders": "cli/test_stop test_api",
    "journal/kinds": "journal/test_events journal/test_old_journal",
    "journal/owner": "cli/test_stop journal/test_events",
    "journal/reserve": "faults/test_full_disk journal/test_events",
    "journal/result": "registry/test_gates registry/test_findings registry/test_confirm",
    "journal/underway": "cli/test_width cli/test_read",
    "plain": "journal/test_old_journal journal/test_events",
    # the parts of one command's way
    "registry/agreement": "registry/test_reproduce",
    "registry/candidates": "registry/test_gated_promotion registry/test_promote",
    "registry/cautions": "registry/test_promote registry/test_card",
    "registry/evaluated": "registry/test_card",
    "registry/measured": "registry/test_confirm",
    "registry/moves": "registry/test_alias",
    "registry/named": "registry/test_alias registry/test_search",
    "registry/register": "registry/test_promote registry/test_model",
    "registry/report": "registry/test_card registry/test_outdated_cold",
    "registry/retriever": "registry/test_model registry/test_search registry/test_promote",
    "registry/rollback": "registry/test_alias",
    "registry/searched": "registry/test_run_file",
    "registry/shown": "registry/test_card registry/test_places",
    "registry/stop": "registry/test_stopped",
    "registry/versions": "registry/test_places registry/test_promote",
    "registry/served": "registry/test_serving",
    "spec/domain": "sweep/test_spec",
    "spec/form": "sweep/test_spec",
    "sweep/looking": "cli/test_read",
    "sweep/preview": "sweep/test_sampler cli/test_read",
    "sweep/scalars": "cli/test_bad_input",
    "sweep/surroundings": "sweep/test_beginning registry/test_reproduce",
    "sweep/yaml_lines": "sweep/test_spec faults/test_fuzzed_specs",
    "tasks/encoding": "tasks/test_beir tasks/test_pydocs",
    "tasks/files": "tasks/test_beir faults/test_fuzzed_folders",
    "tasks/judged": "contracts/test_task_contract tasks/test_beir",
    "tasks/outline": "tasks/test_pairs cli/test_data_as_people_have_it",
    "tasks/sources": "contracts/test_task_contract",
    "tasks/strings": "tasks/test_snapshot",
    "tasks/tables": "tasks/test_pairs cli/test_data_as_people_have_it",
    "tracking/charts": "tracking/test_views",
    "tracking/content": "tracking/test_projection",
    "tracking/names": "tracking/test_projection",
    "tracking/note": "tracking/test_projection",
    "tracking/runs": "tracking/test_projection",
    "tracking/sync": "tracking/test_projector tracking/test_projection",
}
"""Module -> its test files, or why it has none."""


def modules() -> list[str]:
    """Return the modules of nvf that hold more than names and doc strings: paths below nvf/ without their ending."""
    files = [path for path in below("nvf", ".py") if path.name != "__init__.py"]
    return [path.relative_to(ROOT / "nvf").with_suffix("").as_posix() for path in files]


def mirrored(module: str) -> Path:
    """Return where the tests of a module stand by rule: those of nvf/a/b.py in tests/a/test_b.py."""
    path = PurePosixPath(module)
    return ROOT / "tests" / path.with_name(f"test_{path.name}.py")


def files_of(module: str) -> list[Path]:
    """Return the test files of a module."""
    if module not in ELSEWHERE:
        return [mirrored(module)]
    return [ROOT / "tests" / f"{name}.py" for name in ELSEWHERE[module].split() if ";" not in ELSEWHERE[module]]
