-- M3UA over TCP (port 2905, RFC 4666 §1.4.8) for Wireshark, which looks for M3UA in SCTP only:
--   wireshark -X lua_script:m3ua_over_tcp.lua capture.pcapng
local m3ua = Dissector.get("m3ua")
local over_tcp = Proto("m3ua_over_tcp", "M3UA over TCP")
local function length(buffer, _, offset) return buffer(offset + 4, 4):uint() end
local function message(buffer, packet, tree) m3ua:call(buffer, packet, tree) return buffer:len() end
function over_tcp.dissector(buffer, packet, tree)
  dissect_tcp_pdus(buffer, tree, 8, length, message)
  return buffer:len()
end
DissectorTable.get("tcp.port"):add(2905, over_tcp)
