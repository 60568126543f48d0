"""Amazon SES: posting mails, and believing what it tells of them through SNS."""
