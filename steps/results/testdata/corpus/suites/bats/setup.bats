setup_file() { echo "no database"; return 1; }
@test "does not get to it" { true; }
