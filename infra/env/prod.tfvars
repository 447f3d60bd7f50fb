# Private and locked, with longer retention and a copy in a second region.
environment         = "prod"
private             = true
lock                = true
gpu_vm_size         = "Standard_NC8as_T4_v3"
max_nodes           = 4
storage_replication = "GZRS"
soft_delete_days    = 30 # of blobs; the vault of prod always has 90
retention_days      = 90
daily_quota_gb      = 5
budget_amount       = 2000
budget_start        = "2026-12-01"
alert_emails        = ["ml-team@example.com"]
