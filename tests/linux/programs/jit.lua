-- SPDX-License-Identifier: MIT
-- Functions made at run time, as a database makes one of a query. luajit compiles
-- the loop of each, and has its 64 KiB of machine code writable or executable, so
-- that each of them takes two mprotects.
local sum = 0
for i = 1, 5000 do
	local query = loadstring(
		"local a, b = ... local s = 0 for i = 1, 100 do s = s + i * a + b * "
		.. i .. " end return s")
	sum = sum + query(i, 2)
end
print(sum)
