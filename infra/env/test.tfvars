# Verifies a commit before prod: like dev, but with more nodes.
environment         = "test"
max_nodes           = 2
storage_replication = "LRS"
budget_amount       = 500
budget_start        = "2026-12-01"
alert_emails        = ["ml-team@example.com"]
