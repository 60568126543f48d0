"""How processes reach the stand-in for Amazon SES."""

from infra.local.ses import CONFIGURATION_SET, KEY, REGION, SENDER


def ses_settings(endpoint: str) -> dict[str, str]:
    """Returns the settings of a process that sends its mails to the stand-in at this address."""
    return {
        "ses_endpoint": endpoint,
        "ses_region": REGION,
        "ses_sender": SENDER,
        "ses_configuration_set": CONFIGURATION_SET,
        "ses_access_key_id": KEY[0],
        "ses_secret_access_key": KEY[1],
    }
