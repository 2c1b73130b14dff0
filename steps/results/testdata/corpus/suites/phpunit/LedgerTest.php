<?php
use PHPUnit\Framework\TestCase;

class LedgerTest extends TestCase
{
    public function testBooks(): void { $this->assertTrue(true); }
    public function testAddsUp(): void { $this->assertSame(3, 1 + 1, 'one & <one>'); }
    public function testCompares(): void { $this->assertSame(['a' => 1, 'b' => 2], ['a' => 1, 'b' => 3]); }
    public function testBreaks(): void { throw new RuntimeException("the ledger\nis closed"); }
    public function testSkipped(): void { $this->markTestSkipped('no database'); }
    public function testIncomplete(): void { $this->markTestIncomplete('later'); }
    public function testRisky(): void {}
    public function testWarning(): void { trigger_error('careful', E_USER_WARNING); }

    /** @dataProvider rows */
    public function testRows(int $row): void { $this->assertSame(1, $row % 2); }
    public function rows(): array { return ['one' => [1], 'two' => [2], 'größer → 日本語' => [3]]; }
}
