-- Who has let somebody go by calling them another than a guard took them for: looked for with each change of a policy that asks for others.
CREATE INDEX pair_different ON pair (connection_id, former_external_id) WHERE state = 'different';
