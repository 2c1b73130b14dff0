CREATE TABLE items (
  sku   TEXT PRIMARY KEY,
  cents INTEGER NOT NULL CHECK (cents >= 0)
);
INSERT INTO items VALUES ('tea', 450), ('cup', 999);
