@test "books" { true; }
@test "adds" { [ 2 -eq 2 ]; }
