-- PEM of the authority that signed the provider's certificate, where the system does not know it; null: the system's do.
ALTER TABLE sign_in_provider ADD COLUMN ca text;
