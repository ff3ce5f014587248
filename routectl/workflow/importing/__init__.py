"""Reading logs into the database."""

from routectl.workflow.importing.run import ImportResult, counts_json, import_traffic

__all__ = ["ImportResult", "counts_json", "import_traffic"]
