# Where a commit proves itself before prod: as dev, with dedicated nodes, so that a nightly run is not taken away.
environment         = "test"
max_nodes           = 2
storage_replication = "LRS"
budget_amount       = 500
budget_start        = "2026-12-01"
alert_emails        = ["ml-team@example.com"]
