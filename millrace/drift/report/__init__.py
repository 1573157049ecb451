"""The report on drift: the windows of each subject over time, what has grown, outliers and alerts, as one page."""
