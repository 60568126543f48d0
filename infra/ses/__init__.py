"""Amazon SES: sending mails, verifying the SNS messages about them, and diagnostics. Nothing about what a mail says."""
