"""Reports of what a run folder or a sweep of them holds: pages, charts, cell drawings and the final table."""

from nastk.reports.cell_drawing import draw_cell
from nastk.reports.final_table import FinalRow, final_table
from nastk.reports.run_report import write_report
from nastk.reports.sweep_jobs import jobs_text, read_jobs, shortened
from nastk.reports.sweep_report import write_sweep_report
from nastk.reports.table_text import format_table

__all__ = [
    "FinalRow",
    "draw_cell",
    "final_table",
    "format_table",
    "jobs_text",
    "read_jobs",
    "shortened",
    "write_report",
    "write_sweep_report",
]
