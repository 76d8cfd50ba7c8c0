-- Domains that tenants say are theirs, and the record by which they prove it: see src/domain/domainClaim.ts.
CREATE TABLE domain_claim (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  -- Lower case, punycode.
  domain text NOT NULL,
  -- Of this tenant and domain alone; nothing secret: everybody can read the record.
  token text NOT NULL,
  created_at timestamptz NOT NULL,
  -- When it was last looked for, and last seen; null: never yet.
  checked_at timestamptz,
  found_at timestamptz,
  -- Why it was not seen the last time.
  problem text,
  UNIQUE (tenant_id, domain)
);
CREATE INDEX domain_claim_due ON domain_claim (checked_at) WHERE found_at IS NOT NULL;
ALTER TABLE domain_claim ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON domain_claim TO rollcall_app USING (tenant_id IN (SELECT visible_tenants()))
  WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON domain_claim TO rollcall_app;
-- Who else has a domain.
CREATE INDEX tenant_domain_domain ON tenant_domain (domain);
