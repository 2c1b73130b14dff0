Feature: the ledger
  Scenario: booking
    Given an empty ledger
    Then its balance is 0
