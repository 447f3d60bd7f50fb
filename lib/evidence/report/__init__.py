"""The report of a run: its content, and the pages and the Markdown that show it.

`run_files` reads what the stages published, `content` arranges it, and `html_page` and `markdown` render it. Nothing is
computed again, and no sentence is parsed. A table or chart that a stage adds appears without a change here.
"""
