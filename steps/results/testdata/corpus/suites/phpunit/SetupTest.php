<?php
use PHPUnit\Framework\TestCase;

class SetupTest extends TestCase
{
    public static function setUpBeforeClass(): void { throw new RuntimeException('no database'); }
    public function testNeverRuns(): void {}
    public function testNorDoesThis(): void {}
}
