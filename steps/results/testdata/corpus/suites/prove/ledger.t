use Test::More tests => 6;
ok(1, "books an entry");
is(1 + 1, 3, "adds up");
SKIP: { skip "no database", 1; }
TODO: { local $TODO = "to be done"; ok(0, "is closed"); }
subtest "of last year" => sub { plan tests => 2; ok(1, "first"); ok(0, "second & <last>"); };
is_deeply([1], [1], "compares");
