"""`python -m nastk.doctor`: what of this machine nastk can use, and what to install for the rest."""

from __future__ import annotations

from nastk.cli.plain import launch_without_hydra

HEADER = "Tell what of this machine nastk can use, and what to install for the rest. Nothing is changed."
EXAMPLES = ("python -m nastk.doctor", "python -m nastk.doctor runs=/scratch/runs")


def main() -> None:
    """Entry point. Exits with 0, with 2 on a mistake."""
    from nastk.jobs.doctor import DoctorSettings, run_doctor

    launch_without_hydra(DoctorSettings, run_doctor, HEADER, EXAMPLES)


if __name__ == "__main__":
    main()
