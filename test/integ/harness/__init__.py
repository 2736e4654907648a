"""What the integration tests stand on: processes with logs, a real cluster, Postern in each of its forms."""
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
