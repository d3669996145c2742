"""Reports of what a run folder or a sweep of them holds: pages, charts, cell drawings and the final table."""

from nastk.report.cell_drawing import draw_cell
from nastk.report.final_table import FinalRow, final_table
from nastk.report.run_report import write_report
from nastk.report.sweep_jobs import jobs_text, read_jobs, shortened
from nastk.report.sweep_report import write_sweep_report
from nastk.report.table_text import format_table

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
