# For experiments: cheap, public endpoints protected by Entra ID, no locks.
environment         = "dev"
max_nodes           = 1
storage_replication = "LRS"
budget_amount       = 300
budget_start        = "2026-12-01"
alert_emails        = ["ml-team@example.com"]
