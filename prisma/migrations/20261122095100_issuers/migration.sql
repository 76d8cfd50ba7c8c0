-- Users that were read stay, wherever they were read from. Of a connection whose access was changed (settings, network or credentials:
-- which of them was not kept), nobody can tell whether its answers always came from the provider: what only followed from its settings
-- is not known any more, until somebody with the role system says it.
UPDATE connection SET issuer = NULL
WHERE access_version > 1 AND CASE provider
  WHEN 'google' THEN issuer = 'https://accounts.google.com'
  WHEN 'okta' THEN issuer = settings ->> 'orgUrl'
  WHEN 'entra' THEN issuer ~ '^https://login\.(microsoftonline\.(com|us)|partner\.microsoftonline\.cn)/[0-9a-f-]+/v2\.0$'
END;
