-- SPDX-License-Identifier: MIT
-- Makes functions at run time, as a database does for queries. luajit compiles
-- the loop of each function. It keeps its 64 KiB of machine code either
-- writable or executable, so that each compilation takes two mprotects.
local sum = 0
for i = 1, 5000 do
	local query = loadstring(
		"local a, b = ... local s = 0 for i = 1, 100 do s = s + i * a + b * "
		.. i .. " end return s")
	sum = sum + query(i, 2)
end
print(sum)
