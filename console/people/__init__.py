"""People who sign in: their sign-ins as administrators manage them, second factors, the OpenID provider, and the audit
log. What a person does with their own account is in `console.pages.sign_in`."""
