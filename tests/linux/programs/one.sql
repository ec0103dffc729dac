-- SPDX-License-Identifier: MIT
select 1;
