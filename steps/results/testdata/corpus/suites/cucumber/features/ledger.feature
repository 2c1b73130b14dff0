Feature: the ledger
  Background:
    Given an empty ledger
  Scenario: booking & adding <up>
    When 2 entries are booked
    Then its balance is 2
  Scenario: a wrong balance
    When 1 entries are booked
    Then its balance is 2
  Scenario: a step that nobody wrote
    When the moon is full
  Scenario: a step that is pending
    When it is still to be written
  @skip
  Scenario: skipped
    When it is skipped
  Scenario Outline: many
    When <n> entries are booked
    Then its balance is <sum>
    Examples:
      | n | sum |
      | 1 | 1   |
      | 2 | 3   |
