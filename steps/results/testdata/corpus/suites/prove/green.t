use Test::More tests => 2;
ok(1, "books"); ok(1, "adds");
