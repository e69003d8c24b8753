"""Pictures of graphs: degrees, masks, the network drawn, and what changes from round to round."""

from thalweg.report.graphs.charts import graph_charts, network_charts

__all__ = ["graph_charts", "network_charts"]
