-- Which connections apply by themselves is asked with every approval: most do not.
CREATE INDEX connection_automatic ON connection (id) WHERE policy #>> '{apply,start}' = 'automatic';
