@test "books an entry" { true; }
@test "adds up & <closes>" { run echo "1 < 2"; [ "$output" = "3" ]; }
@test "is skipped" { skip "no database"; }
@test "größer" { printf 'colour \033[31mred\033[0m ]]>\n'; false; }
